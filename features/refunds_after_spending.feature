Feature: Refunds after spending
  A refund takes back what was bought. Credits that were already used are owed, and the next ones repay them.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And the app has charged Ada 30 credits for "a portrait"

  Rule: Credits that were used and refunded are owed

    Scenario: All of it is refunded
      When $5.00 of Ada's payment is refunded
      Then Ada owes 30 credits

    Scenario: Half of it is refunded
      When $2.50 of Ada's payment is refunded
      Then Ada owes 5 credits

    Scenario: Ada cannot spend while she owes
      Given $5.00 of Ada's payment has been refunded
      When the app charges Ada 1 credit for "a sketch"
      Then the app is told that only 0 credits are available

    Scenario: The next purchase pays the debt
      Given $5.00 of Ada's payment has been refunded
      When Ada buys the "starter" plan for $5.00
      Then Ada has 20 credits

  Rule: Credits that were set aside before the refund can still be used

    Scenario: The refund arrives while a job is running
      Given the app has set 20 of Ada's credits aside
      And $5.00 of Ada's payment has been refunded
      When the app takes 20 of the credits that it set aside
      Then Ada owes 50 credits
