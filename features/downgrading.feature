Feature: Downgrading
  A smaller plan takes back the larger one's credits for the unused time, and no more.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan
    And Ada has changed to 1,000 credits a month for $49.00, charged at once

  Rule: The used part of a month keeps its credits

    Scenario: A third of the month has passed
      Given 10 days have passed
      When Ada changes back, charged at once
      Then Ada has 399 credits

    Scenario: The smaller plan renews, paid by the unused time
      Given 10 days have passed
      And Ada has changed back, charged at once
      When the subscription renews
      Then Ada has 499 credits

  Rule: A month does not begin in debt

    Scenario: The unused time is credited with the renewal
      Given 10 days have passed
      When Ada changes back, charged with the renewal
      Then Ada has 1000 credits

    Scenario: Unused time is credited on cancellation
      Given 15 days have passed
      When Ada cancels at once, and unused time is credited
      Then Ada has 500 credits
