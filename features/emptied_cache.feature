Feature: Emptied cache
  The cache can be lost at any time without losing anything else.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Scenario: The cache is emptied
    When the cache is emptied
    Then Ada has 50 credits, by the ledger
    And Ada has 50 credits, by the cache

  Scenario: The cache is emptied between two purchases
    Given the cache has been emptied
    When Ada buys the "starter" plan for $5.00
    Then Ada has 100 credits

  Scenario: The cache is down while Ada buys
    Given the cache is down
    When Ada buys the "starter" plan for $5.00
    Then Ada has 100 credits, by the ledger

  Scenario: The cache comes back with an old balance
    Given the cache went down with 50 credits for Ada
    And Ada has bought the "starter" plan for $5.00
    When the cache comes back
    Then in the end Ada has 100 credits, by the cache
