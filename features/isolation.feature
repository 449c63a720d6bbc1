Feature: Isolation between customers
  A customer sees and changes only their own account.

  Background:
    Given Ada has signed up
    And Bob has signed up
    And Ada has bought the "starter" plan for $5.00

  Scenario: Another customer's purchase
    Then Bob has 0 credits

  Scenario Outline: Reading another customer's data
    When Bob asks for <something of Ada's>
    Then he is turned away with <status>

    Examples:
      | something of Ada's | status |
      | Ada's quota        | 403    |
      | Ada's statement    | 403    |
      | Ada's checkout     | 404    |

  Scenario: Pretending to be another customer
    When Bob signs in as himself but says that he is Ada
    Then he is turned away with 403

  Scenario: Giving oneself credits
    When Bob writes a million credits to his own account
    Then he is turned away with 403
    And Bob has 0 credits
