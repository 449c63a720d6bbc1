Feature: Retrying a spend
  An app that did not hear the answer asks again. It gets the answer of the first time, and nothing is charged twice.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And the app has charged Ada 30 credits for "a portrait"

  Rule: The same job is charged once

    Scenario: The app asks again
      When the app charges Ada 30 credits for "a portrait" again
      Then the app gets the very answer of the first time
      And Ada has 20 credits

    Scenario: Meanwhile everything else is spent
      Given the app has charged Ada 20 credits for "a landscape"
      When the app charges Ada 30 credits for "a portrait" again
      Then the app gets the very answer of the first time
      And Ada has 0 credits

    Scenario: The app asks twenty times at the same moment
      When the app charges Ada 10 credits for "a sketch" twenty times at the same moment
      Then it gets the same answer twenty times
      And Ada has 10 credits

  Rule: A job's name is good for that job only

    Scenario: Another price for the same job
      When the app charges Ada 31 credits for "a portrait" again
      Then the app is told that the credits differ
      And Ada has 20 credits
