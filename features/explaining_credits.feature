Feature: Explaining where credits went
  A customer asks where the credits went. Support can tell the life of each one, and the sums add up.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Scenario: Spending is told with what it was for
    Given the product has taken 35 of Ada's credits for "a long poem"
    When support asks what became of Ada's credits
    Then of the 50 credits of the "starter" plan 35 went to "a long poem", and 15 remain
    And everything that is told adds up

  Scenario: What was given is told with the reason and the giver
    Given Grace has given Ada 10 credits because "the launch was late"
    And the product has taken 35 of Ada's credits for "a long poem"
    When support asks what became of Ada's credits
    Then 10 credits were given by Grace because "the launch was late"
    And of those 10 went to "a long poem", and 0 remain
    And of the 50 credits of the "starter" plan 25 went to "a long poem", and 25 remain
    And everything that is told adds up

  Scenario: A refund after spending is told, and who paid for what was owed
    Given the product has taken 35 of Ada's credits for "a long poem"
    And $5.00 of Ada's payment has been refunded
    And Grace has given Ada 40 credits because "a misunderstanding"
    When support asks what became of Ada's credits
    Then of those 35 paid what Ada owed, and 5 remain
    And everything that is told adds up

  Scenario: What is set aside is told with what it is for
    Given the product has set 20 of Ada's credits aside for "a film"
    When support asks what became of Ada's credits
    Then 20 credits are set aside for "a film"
    And everything that is told adds up

  Scenario: Ada asks herself
    Given the product has taken 35 of Ada's credits for "a long poem"
    When Ada asks what became of her credits
    Then of the 50 credits of the "starter" plan 35 went to "a long poem", and 15 remain
