Feature: Renewing late
  Nobody is left without credits while a renewal is being charged, and a late payment buys a whole month from then.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: A month's credits last until the next payment, for at most three days

    Scenario: The renewal is not paid yet
      Given Ada's bank declines the renewal
      Then Ada has 100 credits

    Scenario: The renewal is paid an hour after the month
      When the subscription renews
      Then the credits of Ada's first period expired 1 hour after it

    Scenario: The renewal is paid two days late
      Given Ada's bank declines the renewal
      And 2 days have passed
      When Ada pays for the renewal
      Then the credits of Ada's first period expired 49 hours after it

  Rule: A late payment lasts as long as one on time

    Scenario: Within three days
      Given Ada's bank declines the renewal
      And 2 days have passed
      When Ada pays for the renewal
      Then Ada's credits of the last period last 3 days after its end

    Scenario: After a week
      Given Ada's bank declines the renewal
      And 7 days have passed
      When Ada pays for the renewal
      Then Ada's credits of the last period last 30 days from the payment
