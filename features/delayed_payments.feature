Feature: Delayed payments
  A bank transfer is promised first and paid days later. The credits come with the money.

  Background:
    Given Ada has signed up
    And Ada has chosen to pay the "starter" plan by bank transfer

  Rule: Credits come when the money does

    Scenario: The transfer is under way
      When Stripe tells that the checkout is done but not paid
      Then Ada has 0 credits
      And the return page says that the payment is on its way

    Scenario: The transfer arrives
      Given Stripe has told that the checkout is done but not paid
      When Stripe tells that the transfer arrived
      Then Ada has 50 credits

    Scenario: The transfer fails
      Given Stripe has told that the checkout is done but not paid
      When Stripe tells that the transfer failed
      Then Ada has 0 credits
      And the return page says that the payment failed

  Rule: The order in which Stripe tells does not show

    Scenario: The arrival is told before the checkout
      Given Stripe has told that the transfer arrived
      When Stripe tells that the checkout is done but not paid
      Then Ada has 50 credits

    Scenario: Both are told at the same moment
      When Stripe tells of the checkout and of the arrival at the same moment
      Then Stripe hears each time that all is well
      And each of the events is on record
      And Ada has 50 credits
