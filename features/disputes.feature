Feature: Disputes
  While a bank holds the money, the credits are withheld too. They return if the money does.

  Background:
    Given Ada has signed up
    And Ada has bought the "pro" plan for $20.00

  Rule: Credits follow the money

    Scenario Outline: The bank decides
      Given Ada's bank disputes the payment
      When the dispute is <decision>
      Then Ada has <credits> credits

      Examples:
        | decision    | credits |
        | not decided | 0       |
        | lost        | 0       |
        | won         | 250     |
        | prevented   | 250     |
        | reinstated  | 250     |

    Scenario: Only a part is disputed
      When Ada's bank disputes $10.00 of the payment
      Then Ada has 125 credits

    Scenario: A decision that is reported before the dispute itself
      Given Ada's bank disputes the payment and withdraws the dispute, and Stripe reports it in reverse order
      Then Ada has 250 credits

    Scenario: A dispute after a refund takes no more than was paid
      Given $20.00 of Ada's payment has been refunded
      When Ada's bank disputes the payment
      Then Ada has 0 credits

  Rule: An inquiry takes nothing

    Scenario: The bank only asks
      When Ada's bank inquires about the payment
      Then Ada has 250 credits

  Rule: Credits that were already spent become a debt, which the next purchase repays

    Scenario: Ada has spent the credits before the dispute
      Given Ada has spent 200 credits
      And Ada's bank disputes the payment
      And Ada is 200 credits in debt
      When Ada buys the "pro" plan for $20.00
      Then Ada has 50 credits
