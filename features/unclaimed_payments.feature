Feature: Unclaimed payments
  A payment whose owner is not certain is kept, shown to an operator with its reason, and never guessed at.

  Background:
    Given Ada has signed up

  Rule: An operator gives the payment to its owner

    Scenario: A payment link with a reference that the buyer chose
      Given somebody has paid by a payment link that names Ada
      And Ada has 0 credits
      When an operator finds it among the parked payments and gives it to Ada
      Then Ada has 50 credits
      And nothing of it is parked any more

    Scenario: By HTTP
      Given somebody has paid by a payment link that names Ada
      When an operator claims it for Ada by the operator's route
      Then Ada has 50 credits

    Scenario: A claimed payment is refunded like any other
      Given somebody has paid by a payment link that names Ada
      And an operator has given it to Ada
      When it is refunded
      Then Ada has 0 credits

  Rule: What waits follows by itself once its cause is gone

    Scenario: The user signs up after paying
      Given somebody has paid in the name of a user who does not exist yet
      When that user signs up, and parked payments are tried again
      Then the new user has 50 credits

  Rule: Nobody but an operator may claim

    Scenario: Ada tries to claim it herself
      Given somebody has paid by a payment link that names Ada
      When Ada asks for the parked payments
      Then she is turned away
