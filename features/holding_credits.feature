Feature: Holding credits
  If the cost is only known afterwards, credits are set aside first, and what was not needed is released.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And the app has set 40 of Ada's credits aside

  Rule: Credits that are set aside cannot be spent elsewhere

    Scenario: Only the rest can be spent
      When the app charges Ada 11 credits for "a sketch"
      Then the app is told that only 10 credits are available

  Rule: A hold is settled once, for what was needed

    Scenario Outline: The job is done
      When the app takes <taken> of the credits that it set aside
      Then Ada has <left> credits

      Examples:
        | taken | left |
        | 40    | 10   |
        | 25    | 25   |
        | 0     | 50   |

    Scenario: The job is cancelled
      When the app releases the hold
      Then Ada has 50 credits

    Scenario: The app settles it again
      Given the app has taken 25 of the credits that it set aside
      When the app takes 25 of the credits that it set aside again
      Then the app gets the original answer again
      And Ada has 25 credits

    Scenario: The app changes its mind
      Given the app has taken 25 of the credits that it set aside
      When the app releases the hold
      Then the app is told that it was settled with 25 credits
      And Ada has 25 credits

    Scenario: More than was set aside
      When the app takes 41 of the credits that it set aside
      Then the app is told that it set 40 credits aside

  Rule: A forgotten hold is released when it expires

    Scenario: The app has crashed
      When the hold expires
      Then in the end Ada has 50 credits to spend
