Feature: Spending credits
  The app spends what its customers bought, as they use it. Balances are exact and never become negative by spending.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Rule: A spend takes its credits and appears on the statement

    Scenario: A job is charged
      When the app charges Ada 30 credits for "a portrait"
      Then Ada has 20 credits
      And Ada's statement shows 30 credits spent for "a portrait"

  Rule: Nobody can spend more than they have

    Scenario: Running out
      Given the app has charged Ada 30 credits for "a portrait"
      When the app charges Ada 21 credits for "a landscape"
      Then the app is told that only 20 credits are available
      And Ada has 20 credits

    Scenario: The last credit
      When the app charges Ada 50 credits for "a film"
      Then Ada has 0 credits

    Scenario: Many jobs at the same time
      When the app charges Ada 1 credit for each of 60 jobs at the same time
      Then 50 of them are charged, and 10 are refused
      And Ada has 0 credits
