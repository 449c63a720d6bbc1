Feature: Ledger outage
  While the ledger is away nothing is promised; what Stripe tells again when it is back is complete.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00
    And Ada has paid for the "pro" plan

  Rule: Stripe is asked to come again, and then all is there

    Scenario: The ledger is away
      Given the ledger is away
      When Stripe tells of the payment
      Then Stripe is asked to come again
      And Ada has 50 credits, by the cache

    Scenario: The ledger is back
      Given the ledger was away when Stripe told of the payment
      When Stripe tells of the payment
      Then Stripe hears each time that all is well
      And Ada has 300 credits

    Scenario: The answer of the ledger is lost
      Given the ledger's next answer to a write is lost
      And Stripe has told of the payment
      When Stripe tells of the payment
      Then Stripe hears each time that all is well
      And Ada has 300 credits

  Rule: A failure between any two writes leaves nothing behind

    Scenario Outline: The ledger breaks in mid-write
      Given the ledger breaks when it writes <a part>
      And Stripe was asked to come again, and nothing of the payment was left
      When the ledger is mended and Stripe tells of the payment
      Then Ada has 300 credits

      Examples:
        | a part                |
        | the inbox             |
        | the purchase          |
        | its links             |
        | the entry             |
        | the grant             |
        | the balance           |
        | the outbox            |
