Feature: Plans at Stripe
  The plans are products at Stripe. What a customer subscribed to goes on as it was sold, whatever is sold to others later.

  Background:
    Given Ada has signed up
    And the plans are for sale at Stripe

  Rule: A customer buys the plan as it is at Stripe

    Scenario: Ada buys a pack
      When Ada buys the "starter" plan for $5.00
      Then Ada has 50 credits
      And Ada has bought the price that Stripe shows for "starter"

  Rule: A subscription goes on as it was sold

    Scenario: The price rises
      Given Ada has subscribed to the "monthly" plan
      And the "monthly" plan has been changed to 120 credits for $12.00
      When two months pass
      Then Ada has 300 credits

    Scenario: The plan is taken from sale
      Given Ada has subscribed to the "monthly" plan
      And all plans have been taken from sale at Stripe
      When two months pass
      Then Ada has 300 credits

  Rule: A customer can buy what the shop's pages offer

    Scenario: Stripe was told a moment before the shop
      Given all plans have been taken from sale at Stripe
      When Ada buys the "starter" plan for $5.00
      Then Ada has 50 credits
