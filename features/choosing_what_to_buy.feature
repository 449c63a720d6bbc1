Feature: Choosing what to buy
  Buyers choose how much, in which currency and with which code; the credits are those they were promised.

  Background:
    Given Ada has signed up

  Rule: Several at once bring that many times the credits

    Scenario: Three boxes
      When Ada buys 3 of the "box" plan
      Then Ada has 21 credits

    Scenario: More of them on Stripe's page
      When Ada opens the checkout of 2 of the "box" plan, and takes 5 on the page
      Then Ada has 35 credits

  Rule: A chosen amount brings what it was quoted

    Scenario Outline: From ten dollars on
      When Ada buys the "topup" plan for <amount> of her choice
      Then Ada has <credits> credits

      Examples:
        | amount  | credits |
        | $37.00  | 370     |
        | $49.99  | 499     |
        | $50.00  | 550     |
        | $100.00 | 1200    |

    Scenario: Half of it is refunded
      Given Ada has bought the "topup" plan for $37.00 of her choice
      When half of Ada's payment is refunded
      Then Ada has 185 credits

  Rule: Neither a code nor tax nor a currency changes the credits

    Scenario: A promotion code
      When Ada buys the "box" plan with a promotion code of 50 %
      Then Ada paid $0.70
      And Ada has 7 credits

    Scenario: Tax on top, half of which is refunded with the price
      Given Ada has bought the "taxed" plan
      When half of Ada's payment is refunded
      Then Ada has 30 credits

    Scenario: Euros
      When Ada buys the "box" plan in euros
      Then Ada has 7 credits

  Rule: A quarter's credits come once a quarter

    Scenario: Half a year
      Given Ada has bought the "quarterly" plan with a promotion code of 50 %
      When the subscription renews
      Then Ada has 660 credits
