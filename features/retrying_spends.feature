Feature: Retrying a spend
  An app that lost the answer retries. It gets the original answer again, and nothing is charged twice.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And the app has charged Ada 30 credits for "a portrait"

  Rule: The same job is charged once

    Scenario: The app retries
      When the app charges Ada 30 credits for "a portrait" again
      Then the app gets the original answer again
      And Ada has 20 credits

    Scenario: Everything else has been spent in the meantime
      Given the app has charged Ada 20 credits for "a landscape"
      When the app charges Ada 30 credits for "a portrait" again
      Then the app gets the original answer again
      And Ada has 0 credits

    Scenario: The app retries twenty times at the same time
      When the app charges Ada 10 credits for "a sketch" twenty times at the same time
      Then it gets the same answer twenty times
      And Ada has 10 credits

  Rule: A job's name can be used for that job only

    Scenario: Another price for the same job
      When the app charges Ada 31 credits for "a portrait" again
      Then the app is told that the credits differ
      And Ada has 20 credits
