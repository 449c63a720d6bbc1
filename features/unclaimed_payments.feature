Feature: Unclaimed payments
  A payment whose owner is uncertain is stored and shown to an operator with the reason. Nobody guesses.

  Background:
    Given Ada has signed up

  Rule: An operator assigns the payment to its owner

    Scenario: A payment link with a reference that the buyer chose
      Given somebody has paid by a payment link that names Ada
      And Ada has 0 credits
      When an operator finds it among the parked payments and assigns it to Ada
      Then Ada has 50 credits
      And it is no longer parked

    Scenario: Through the API
      Given somebody has paid by a payment link that names Ada
      When an operator claims it for Ada through the operator's API
      Then Ada has 50 credits

    Scenario: A claimed payment is refunded like any other
      Given somebody has paid by a payment link that names Ada
      And an operator has assigned it to Ada
      When it is refunded
      Then Ada has 0 credits

  Rule: A parked payment is resolved automatically once its cause is gone

    Scenario: The user signs up after paying
      Given somebody has paid on behalf of a user who does not exist yet
      When that user signs up, and parked payments are retried
      Then the new user has 50 credits

  Rule: Nobody but an operator may claim

    Scenario: Ada tries to claim it herself
      Given somebody has paid by a payment link that names Ada
      When Ada asks for the parked payments
      Then she is turned away
