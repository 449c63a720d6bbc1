Feature: Low balances
  A product is notified when a customer is about to run out, in time to offer more, and only once each time.
  Here, a balance below 20 credits is low.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Rule: The product is notified when a balance becomes low, whatever lowered it

    Scenario: Credits are spent
      When the product takes 35 of Ada's credits for "a long poem"
      Then the product is notified that Ada has 15 credits left

    Scenario: Credits are set aside
      When the product sets 40 of Ada's credits aside for "a film"
      Then the product is notified that Ada has 10 credits left

    Scenario: A payment is refunded
      When $4.00 of Ada's payment is refunded
      Then the product is notified that Ada has 10 credits left

  Rule: It is notified once each time the balance becomes low

    Scenario: The balance continues to fall
      Given the product has taken 35 of Ada's credits for "a long poem"
      When the product takes 5 of Ada's credits for "a haiku"
      Then the product is notified that Ada has 15 credits left

    Scenario: The balance had recovered in between
      Given the product has taken 35 of Ada's credits for "a long poem"
      And Ada has bought the "starter" plan for $5.00
      When the product takes 50 of Ada's credits for "an epic"
      Then the product is notified that Ada has 15 credits left, and then that she has 15

  Rule: A notice that is not accepted is sent again

    Scenario: The product was down
      Given the product does not accept notices for a moment
      When the product takes 35 of Ada's credits for "a long poem"
      Then the product is notified that Ada has 15 credits left

  Rule: Each customer can have a threshold of their own

    Scenario: A careful customer
      Given the product wants to be notified about Ada below 45 credits
      When the product takes 6 of Ada's credits for "a sonnet"
      Then the product is notified that Ada has 44 credits left
