Feature: Repairs
  An operator can see that everything agrees, is told exactly what does not, and can bring it in line.

  Background:
    Given Ada has signed up
    And Ada has bought the "starter" plan for $5.00

  Rule: A disagreement is named and repaired

    Scenario: Redis has another balance
      Given somebody has written 9999 credits for Ada into Redis
      When an operator checks everything
      Then the check fails and names Ada's line in Redis
      And after a sync Ada has 50 credits, and the check is content about her

    Scenario: An event is replayed
      When an operator replays the payment's event
      Then Ada has 50 credits

    Scenario: Every credit is explained
      Given $2.50 of Ada's payment has been refunded
      When an operator asks for an explanation of Ada's credits
      Then it names the purchase, the refund, and Stripe's objects

  Rule: What must follow a payment follows once

    Scenario: The invoice is sent
      When Stripe tells of the payment by another event
      Then in the end Ada's invoice has been sent once

  Rule: Two rows that prove to be one payment are one

    Scenario: A dispute that names only the charge
      Given Ada's bank disputes a payment by its charge alone, while Stripe can't be asked
      When Stripe tells to which payment the charge belongs
      Then Ada has 0 credits
