Feature: Credit notes
  What a merchant credits of an invoice is no longer paid for, wherever the money goes.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: After the payment it takes back its part

    Scenario Outline: A third of a month
      When $3.00 of the last invoice is credited <way>
      Then Ada has 66 credits

      Examples:
        | way               |
        | to Ada's balance  |
        | outside of Stripe |
        | to Ada's card     |

  Rule: Credited and unused is the same money

    Scenario: A third is credited, then a half is unused
      Given $3.00 of the last invoice has been credited to Ada's balance
      And 15 days have passed
      When Ada cancels at once, and unused time is credited
      Then Ada has 50 credits

  Rule: Before the payment it makes the invoice smaller, and so its credits

    Scenario: A renewal at two thirds of the price
      Given Ada's bank declines the renewal
      And $3.00 of the last invoice has been credited before Ada pays it
      When Ada pays for the renewal
      Then Ada has 166 credits

  Rule: A line that is credited is the line that loses

    Scenario: The setup fee is waived
      Given Ada's next invoice has a setup fee of $15.00
      And the subscription has renewed
      When $15.00 of the setup fee is credited to Ada's balance
      Then Ada has 200 credits
