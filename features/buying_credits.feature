Feature: Buying credits
  A customer who pays gets the credits of the plan: all of them, once, and by the time they return from the checkout.

  Background:
    Given Ada has signed up
    And Ada has 0 credits

  Rule: Paid credits are on the account

    Scenario: Ada buys 50 credits
      When Ada buys the "starter" plan for $5.00
      Then Ada has 50 credits
      And Ada's statement shows 50 credits bought

    Scenario: Ada buys twice
      Given Ada has bought the "starter" plan for $5.00
      When Ada buys the "pro" plan for $20.00
      Then Ada has 300 credits
      And Ada's statement shows 250, then 50 credits bought

  Rule: A customer never waits for a slow webhook

    Scenario: Ada is back before Stripe has reported it
      Given Stripe's webhooks are slow
      When Ada pays for the "starter" plan and returns
      Then the return page says that her credits are there
      And Ada has 50 credits

    Scenario: The slow webhook arrives later
      Given Stripe's webhooks are slow
      And Ada has paid for the "starter" plan and returned
      When Stripe's webhook arrives
      Then Ada has 50 credits

  Rule: An unpaid checkout brings no credits

    Scenario: Ada leaves the checkout
      When Ada opens the checkout of the "starter" plan and leaves
      Then the return page says that nothing was paid
      And Ada has 0 credits

    Scenario: Ada's card is declined
      When Ada's card is declined for the "starter" plan
      Then Ada has 0 credits
