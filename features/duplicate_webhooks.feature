Feature: Duplicate webhooks
  Stripe tells of a payment at least once, often more. However often it does, the credits are there once.

  Background:
    Given Ada has signed up
    And Ada has paid for the "starter" plan

  Scenario: Stripe repeats itself
    When Stripe tells of the payment 3 times
    Then Stripe hears each time that all is well
    And Ada has 50 credits
    And the log says once that the session was processed, and 2 times that it already was

  Scenario: Twenty copies at the same moment
    When Stripe tells of the payment 20 times at the same moment
    Then Stripe hears each time that all is well
    And Ada has 50 credits

  Scenario: Stripe makes a second event of the same payment
    Given Stripe has told of the payment
    When Stripe tells of the payment by another event
    Then Stripe hears each time that all is well
    And each of the events is on record
    And Ada has 50 credits

  Scenario: Two events of the same payment at the same moment
    When Stripe tells of the payment by 5 different events at the same moment
    Then Stripe hears each time that all is well
    And each of the events is on record
    And Ada has 50 credits

  Scenario: Stripe repeats itself after the cache was emptied
    Given Stripe has told of the payment
    And the cache has been emptied
    When Stripe tells of the payment 3 times
    Then Ada has 50 credits
