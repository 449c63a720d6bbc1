Feature: Forged webhooks
  Only Stripe can report a payment.

  Background:
    Given Ada has signed up
    And Ada has opened the checkout of the "starter" plan

  Scenario Outline: Somebody pretends to be Stripe
    When somebody reports a payment of Ada's with <a signature>
    Then they are turned away
    And Ada has 0 credits

    Examples:
      | a signature                     |
      | no signature                    |
      | a broken signature              |
      | a signature of another secret   |
      | a signature of an empty secret  |
      | a signature ten minutes old     |
      | a signature from the future     |
      | a signature of another body     |

  Scenario: A payment of the other mode
    When Stripe reports a payment in live mode, where only tests are expected
    Then every delivery is answered with success
    And Ada has 0 credits
    And the payment is parked for an operator because "livemode_disagrees"
