Feature: Expiring grants
  Credits that have an end burn before those that have none, and what is left at the end is taken, visibly.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And an operator has given Ada 20 credits until next week, as a promotion

  Rule: What was given burns before what was bought

    Scenario: The promotion goes first
      Given the app has charged Ada 15 credits for "a sketch"
      When the promotion's time is over
      Then in the end Ada has 50 credits to spend
      And Ada's statement shows that 5 credits expired

  Rule: What is unspent at the end is gone, and nothing else

    Scenario: Nothing was used
      When the promotion's time is over
      Then in the end Ada has 50 credits to spend
      And Ada's statement shows that 20 credits expired

  Rule: What was set aside in time stays good

    Scenario: The job ends after the promotion
      Given the app has set 20 of Ada's credits aside
      And the promotion's time is over
      When the app takes 12 of the credits that it set aside
      Then Ada has 50 credits
      And Ada's statement shows that 8 credits expired

  Rule: A renewal never touches what was bought

    Scenario: A month goes by
      Given Ada has subscribed to the "monthly" plan
      When the month's time is over
      Then in the end Ada has 70 credits to spend

  Rule: What expired is not owed again

    Scenario: A month is refunded after it is over
      Given Ada has subscribed to the "monthly" plan
      And the app has charged Ada 30 credits for "a sketch"
      And the month's time is over
      And Ada's statement shows that 90 credits expired
      When the last period is refunded
      Then in the end Ada has 40 credits to spend
