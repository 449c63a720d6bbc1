Feature: Duplicate webhooks
  Stripe reports a payment at least once, often more. However often it does, the credits are added once.

  Background:
    Given Ada has signed up
    And Ada has paid for the "starter" plan

  Scenario: Stripe repeats itself
    When Stripe reports the payment 3 times
    Then every delivery is answered with success
    And Ada has 50 credits
    And the log says once that the session was processed, and 2 times that it already was

  Scenario: Twenty copies at the same time
    When Stripe reports the payment 20 times at the same time
    Then every delivery is answered with success
    And Ada has 50 credits

  Scenario: Stripe creates a second event for the same payment
    Given Stripe has reported the payment
    When Stripe reports the payment by another event
    Then every delivery is answered with success
    And every event is recorded
    And Ada has 50 credits

  Scenario: Two events of the same payment at the same time
    When Stripe reports the payment by 5 different events at the same time
    Then every delivery is answered with success
    And every event is recorded
    And Ada has 50 credits

  Scenario: Stripe repeats itself after the cache was emptied
    Given Stripe has reported the payment
    And the cache has been emptied
    When Stripe reports the payment 3 times
    Then Ada has 50 credits
