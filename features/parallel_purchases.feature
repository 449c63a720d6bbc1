Feature: Parallel purchases
  All purchases of a customer count, even if they arrive at the same time.

  Scenario: Twenty different purchases of one customer at the same time
    Given Ada has signed up
    And Ada has paid for the "starter" plan 20 times
    When Stripe reports all of them at the same time
    Then every delivery is answered with success
    And Ada has 1000 credits
    And Ada's statement shows 20 purchases that add up
