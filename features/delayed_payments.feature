Feature: Delayed payments
  A bank transfer is promised first and paid days later. The credits arrive with the money.

  Background:
    Given Ada has signed up
    And Ada has chosen to pay the "starter" plan by bank transfer

  Rule: Credits arrive when the money does

    Scenario: The transfer is under way
      When Stripe reports that the checkout is done but not paid
      Then Ada has 0 credits
      And the return page says that the payment is on its way

    Scenario: The transfer arrives
      Given Stripe has reported that the checkout is done but not paid
      When Stripe reports that the transfer arrived
      Then Ada has 50 credits

    Scenario: The transfer fails
      Given Stripe has reported that the checkout is done but not paid
      When Stripe reports that the transfer failed
      Then Ada has 0 credits
      And the return page says that the payment failed

  Rule: The order of Stripe's reports does not matter

    Scenario: The arrival is reported before the checkout
      Given Stripe has reported that the transfer arrived
      When Stripe reports that the checkout is done but not paid
      Then Ada has 50 credits

    Scenario: Both are reported at the same time
      When Stripe reports the checkout and the arrival at the same time
      Then every delivery is answered with success
      And every event is recorded
      And Ada has 50 credits
