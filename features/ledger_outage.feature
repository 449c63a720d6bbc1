Feature: Ledger outage
  While the ledger is down, Stripe keeps retrying. Once it is back, everything is recorded completely.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And Ada has paid for the "pro" plan

  Rule: Stripe is asked to deliver again, and then everything is there

    Scenario: The ledger is down
      Given the ledger is down
      When Stripe reports the payment
      Then Stripe is asked to deliver again
      And Ada has 50 credits, by the cache

    Scenario: The ledger is back
      Given the ledger was down when Stripe reported the payment
      When Stripe reports the payment
      Then every delivery is answered with success
      And Ada has 300 credits

    Scenario: The ledger's response is lost
      Given the ledger's next answer to a write is lost
      And Stripe has reported the payment
      When Stripe reports the payment
      Then every delivery is answered with success
      And Ada has 300 credits

  Rule: A failure between any two writes leaves nothing behind

    Scenario Outline: The ledger breaks in mid-write
      Given the ledger breaks when it writes <a part>
      And Stripe was asked to deliver again, and nothing of the payment was stored
      When the ledger is repaired and Stripe reports the payment
      Then Ada has 300 credits

      Examples:
        | a part                |
        | the inbox             |
        | the purchase          |
        | its links             |
        | the entry             |
        | the grant             |
        | the balance           |
