Feature: Repairs
  An operator can verify that everything agrees, sees exactly what does not, and can repair it.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Rule: A discrepancy is reported and repaired

    Scenario: Redis has another balance
      Given somebody has written 9999 credits for Ada into Redis
      When an operator checks everything
      Then the check fails and names Ada's cache entry
      And after a sync Ada has 50 credits, and the check reports nothing about her

    Scenario: An event is replayed
      When an operator replays the payment's event
      Then Ada has 50 credits

    Scenario: Every credit is explained
      Given $2.50 of Ada's payment has been refunded
      When an operator asks for an explanation of Ada's credits
      Then it names the purchase, the refund, and Stripe's objects

  Rule: What must follow a payment happens once

    Scenario: The invoice is sent
      When Stripe reports the payment by another event
      Then in the end Ada's invoice has been sent once

  Rule: Two records that turn out to be one payment are merged

    Scenario: A dispute that names only the charge
      Given Ada's bank disputes a payment by its charge alone, while Stripe cannot be reached
      When Stripe reports to which payment the charge belongs
      Then Ada has 0 credits
