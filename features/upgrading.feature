Feature: Upgrading
  A larger plan brings its credits for the remaining time, and the smaller one keeps those of the time that has passed.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan
    And 10 days have passed

  Rule: What is charged within a month counts at once

    Scenario: A third of the month has passed
      When Ada changes to 1,000 credits a month for $49.00, charged at once
      Then Ada has 699 credits

    Scenario: The larger plan renews
      Given Ada has changed to 1,000 credits a month for $49.00, charged at once
      When the subscription renews
      Then Ada has 1699 credits

    Scenario: The first month is refunded after the change
      Given Ada has changed to 1,000 credits a month for $49.00, charged at once
      When $3.00 of the last invoice is refunded
      Then Ada has 638 credits

  Rule: What is charged with the renewal counts with the renewal

    Scenario: Nothing is charged yet
      When Ada changes to 1,000 credits a month for $49.00, charged with the renewal
      Then Ada has 100 credits

    Scenario: The renewal charges the rest of the last month, too
      Given Ada has changed to 1,000 credits a month for $49.00, charged with the renewal
      When the subscription renews
      Then Ada has 1699 credits
