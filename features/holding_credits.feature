Feature: Holding credits
  Where the cost is known only afterwards, credits are set aside first, and what was not needed is free again.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And the app has set 40 of Ada's credits aside

  Rule: What is set aside can't be spent otherwise

    Scenario: The rest is spent, and no more
      When the app charges Ada 11 credits for "a sketch"
      Then the app is told that only 10 credits are available

  Rule: A hold is settled once, for what was needed

    Scenario Outline: The job has an end
      When the app takes <taken> of the credits that it set aside
      Then Ada has <left> credits

      Examples:
        | taken | left |
        | 40    | 10   |
        | 25    | 25   |
        | 0     | 50   |

    Scenario: The job is cancelled
      When the app gives back what it set aside
      Then Ada has 50 credits

    Scenario: The app settles it again
      Given the app has taken 25 of the credits that it set aside
      When the app takes 25 of the credits that it set aside again
      Then the app gets the very answer of the first time
      And Ada has 25 credits

    Scenario: The app changes its mind
      Given the app has taken 25 of the credits that it set aside
      When the app gives back what it set aside
      Then the app is told that it was settled with 25 credits
      And Ada has 25 credits

    Scenario: More than was set aside
      When the app takes 41 of the credits that it set aside
      Then the app is told that it set 40 credits aside

  Rule: A hold that is forgotten frees itself

    Scenario: The app has crashed
      When the hold's time is over
      Then in the end Ada has 50 credits to spend
