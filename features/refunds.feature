Feature: Refunds
  Credits follow the money: a refund takes back its share, however and in whatever order Stripe reports it.

  Background:
    Given Ada has signed up
    And Ada has paid for the "pro" plan

  Rule: A refund takes back credits in proportion

    Scenario Outline: Ada gets some of her money back
      Given Stripe has reported the payment
      When <refund> of Ada's payment is refunded
      Then Ada has <credits> credits

      Examples:
        | refund | credits |
        | $5.00  | 187     |
        | $10.00 | 125     |
        | $20.00 | 0       |

    Scenario: A refund in three parts
      Given Stripe has reported the payment
      When Ada's payment is refunded in parts of $4.00, $4.00 and $12.00, all reported at the same time
      Then Ada has 0 credits

  Rule: Once both have arrived, their order does not matter

    Scenario Outline: The refund arrives first
      Given Stripe has reported a refund of <refund> before the payment
      When Stripe reports the payment
      Then Ada has <credits> credits

      Examples:
        | refund | credits |
        | $10.00 | 125     |
        | $20.00 | 0       |

    Scenario: A purchase that is reported again after its refund stays refunded
      Given Stripe has reported the payment
      And $20.00 of Ada's payment has been refunded
      When Stripe reports the payment by another event
      Then Ada has 0 credits

  Rule: A refund that fails gives the credits back

    Scenario: The bank sends the refund back days later
      Given Stripe has reported the payment
      And $20.00 of Ada's payment has been refunded
      When the refund fails later
      Then Ada has 250 credits
