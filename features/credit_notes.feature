Feature: Credit notes
  Whatever part of an invoice the merchant credits no longer counts as paid, wherever the money goes.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: A credit note after the payment takes back its share of the credits

    Scenario Outline: A third of a month
      When $3.00 of the last invoice is credited <way>
      Then Ada has 66 credits

      Examples:
        | way               |
        | to Ada's balance  |
        | outside of Stripe |
        | to Ada's card     |

  Rule: Credited money and unused time are not counted twice

    Scenario: A third is credited, then half is unused
      Given $3.00 of the last invoice has been credited to Ada's balance
      And 15 days have passed
      When Ada cancels at once, and unused time is credited
      Then Ada has 50 credits

  Rule: A credit note before the payment reduces the invoice and its credits

    Scenario: A renewal at two thirds of the price
      Given Ada's bank declines the renewal
      And $3.00 of the last invoice has been credited before Ada pays it
      When Ada pays for the renewal
      Then Ada has 166 credits

  Rule: Only the credited line loses credits

    Scenario: The setup fee is waived
      Given Ada's next invoice has a setup fee of $15.00
      And the subscription has renewed
      When $15.00 of the setup fee is credited to Ada's balance
      Then Ada has 200 credits
