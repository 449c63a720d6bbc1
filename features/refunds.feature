Feature: Refunds
  Credits follow the money: what is refunded is taken back in proportion, whichever way and order Stripe tells it.

  Background:
    Given Ada has signed up
    And Ada has paid for the "pro" plan

  Rule: What is refunded is taken back, in proportion

    Scenario Outline: Ada gets some of her money back
      Given Stripe has told of the payment
      When <refund> of Ada's payment is refunded
      Then Ada has <credits> credits

      Examples:
        | refund | credits |
        | $5.00  | 187     |
        | $10.00 | 125     |
        | $20.00 | 0       |

    Scenario: A refund in three parts
      Given Stripe has told of the payment
      When Ada's payment is refunded in parts of $4.00, $4.00 and $12.00, all told at the same moment
      Then Ada has 0 credits

  Rule: Once both have arrived, the order does not show

    Scenario Outline: The refund arrives first
      Given Stripe has told of a refund of <refund> before the payment
      When Stripe tells of the payment
      Then Ada has <credits> credits

      Examples:
        | refund | credits |
        | $10.00 | 125     |
        | $20.00 | 0       |

    Scenario: A purchase that is told again after its refund stays refunded
      Given Stripe has told of the payment
      And $20.00 of Ada's payment has been refunded
      When Stripe tells of the payment by another event
      Then Ada has 0 credits

  Rule: A refund that fails gives the credits back

    Scenario: The bank sends the refund back days later
      Given Stripe has told of the payment
      And $20.00 of Ada's payment has been refunded
      When the refund fails after all
      Then Ada has 250 credits
