Feature: Expiring grants
  Credits that expire are spent before those that do not. When they expire, the statement shows it.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And an operator has granted Ada 20 credits until next week, as a promotion

  Rule: Granted credits are spent before purchased ones

    Scenario: The promotion goes first
      Given the app has charged Ada 15 credits for "a sketch"
      When the promotion expires
      Then in the end Ada has 50 credits to spend
      And Ada's statement shows that 5 credits expired

  Rule: Only unspent credits of the grant expire

    Scenario: Nothing was used
      When the promotion expires
      Then in the end Ada has 50 credits to spend
      And Ada's statement shows that 20 credits expired

  Rule: Credits that were set aside in time remain usable

    Scenario: The job ends after the promotion
      Given the app has set 20 of Ada's credits aside
      And the promotion expires
      When the app takes 12 of the credits that it set aside
      Then Ada has 50 credits
      And Ada's statement shows that 8 credits expired

  Rule: A renewal never touches purchased credits

    Scenario: A month goes by
      Given Ada has subscribed to the "monthly" plan
      When the month ends
      Then in the end Ada has 70 credits to spend

  Rule: Expired credits are not owed again

    Scenario: A month is refunded after it has ended
      Given Ada has subscribed to the "monthly" plan
      And the app has charged Ada 30 credits for "a sketch"
      And the month ends
      And Ada's statement shows that 90 credits expired
      When the last period is refunded
      Then in the end Ada has 40 credits to spend
