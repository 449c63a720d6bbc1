Feature: Missed webhooks
  What Stripe could not deliver, or never created an event for, is found by asking Stripe.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Rule: An outage is repaired by one command

    Scenario: Two days without webhooks
      Given webhooks have been down for two days, while Ada bought the "pro" plan and got half of her first payment back
      When an operator reconciles the last three days
      Then Ada has 275 credits
      And reconciling again finds nothing

    Scenario: An operator looks before doing anything
      Given webhooks have been down for two days, while Ada bought the "pro" plan and got half of her first payment back
      When an operator only asks what is missing
      Then the missing payment and refund are listed
      And Ada has 50 credits

    Scenario: Stripe never created an event
      Given Ada has paid for the "pro" plan, and Stripe created no event for it
      When an operator reconciles the last three days
      Then Ada has 300 credits
