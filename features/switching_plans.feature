Feature: Switching between a month and a year
  However often the length of a period changes, nobody gets more credits than were paid for.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: A year begins with the change

    Scenario: After a third of the month
      Given 10 days have passed
      When Ada changes to 1,200 credits a year for $90.00, charged at once
      Then Ada has 1233 credits

  Rule: Switching back and forth brings what the time was worth

    Scenario: A fifth of the year is used
      Given 10 days have passed
      And Ada has changed to 1,200 credits a year for $90.00, charged at once
      And 73 days have passed
      When Ada changes back, charged at once
      Then Ada has 373 credits

    Scenario: At half the price, of which half a month comes back
      Given Ada has a coupon of 50 % for ever
      And Ada has changed to 1,200 credits a year for $90.00, charged at once
      And 73 days have passed
      When Ada changes back, charged at once
      Then Ada has 390 credits
