Feature: Explaining where credits went
  A customer asks where their credits went. Support can account for each one, and the sums add up.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Scenario: Spending is shown with its purpose
    Given the product has taken 35 of Ada's credits for "a long poem"
    When support asks where Ada's credits went
    Then of the 50 credits of the "starter" plan 35 went to "a long poem", and 15 remain
    And all of it adds up

  Scenario: A grant is shown with its reason and operator
    Given Grace has granted Ada 10 credits because "the launch was late"
    And the product has taken 35 of Ada's credits for "a long poem"
    When support asks where Ada's credits went
    Then 10 credits were granted by Grace because "the launch was late"
    And of those 10 went to "a long poem", and 0 remain
    And of the 50 credits of the "starter" plan 25 went to "a long poem", and 25 remain
    And all of it adds up

  Scenario: A refund after spending is shown, and which credits repaid the debt
    Given the product has taken 35 of Ada's credits for "a long poem"
    And $5.00 of Ada's payment has been refunded
    And Grace has granted Ada 40 credits because "a misunderstanding"
    When support asks where Ada's credits went
    Then of those 35 paid what Ada owed, and 5 remain
    And all of it adds up

  Scenario: A hold is shown with its purpose
    Given the product has set 20 of Ada's credits aside for "a film"
    When support asks where Ada's credits went
    Then 20 credits are set aside for "a film"
    And all of it adds up

  Scenario: Ada asks about her own credits
    Given the product has taken 35 of Ada's credits for "a long poem"
    When Ada asks where her credits went
    Then of the 50 credits of the "starter" plan 35 went to "a long poem", and 15 remain
