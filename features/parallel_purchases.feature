Feature: Parallel purchases
  Purchases of one customer that come at the same moment all count.

  Scenario: Twenty different purchases of one customer at the same moment
    Given Ada has signed up
    And Ada has paid for the "starter" plan 20 times
    When Stripe tells of all of them at the same moment
    Then Stripe hears each time that all is well
    And Ada has 1000 credits
    And Ada's statement shows 20 purchases that add up
