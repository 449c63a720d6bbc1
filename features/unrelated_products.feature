Feature: Unrelated products
  Other items on an invoice bring no credits, and take none away.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: The plan's line brings its usual credits

    Scenario: A setup fee
      Given Ada's next invoice has a setup fee of $15.00
      When the subscription renews
      Then Ada has 200 credits

    Scenario: Support on the same subscription
      Given Ada's subscription bills $7.00 a month for support, too
      When the subscription renews
      Then Ada has 200 credits

  Rule: A refund without named lines applies to everything on the invoice

    Scenario: Half of plan and fee
      Given Ada's next invoice has a setup fee of $15.00
      And the subscription has renewed
      When $12.00 of the last invoice is refunded
      Then Ada has 150 credits

    Scenario: Everything
      Given Ada's next invoice has a setup fee of $15.00
      And the subscription has renewed
      When all that was charged in the last invoice is refunded
      Then Ada has 100 credits
