Feature: Customers at Stripe
  Each account is one customer at Stripe, so that receipts, saved cards and subscriptions are found in one place.

  Background:
    Given Ada has signed up

  Rule: An account has one customer

    Scenario: Ada buys twice
      Given Ada has bought the "starter" plan for $5.00
      When Ada buys the "pro" plan for $20.00
      Then Stripe knows Ada as one customer
      And both payments are that customer's

    Scenario: Ada and Bob
      Given Bob has signed up
      And Ada has bought the "starter" plan for $5.00
      When Bob buys the "starter" plan for $5.00
      Then Stripe knows Ada as one customer
      And Stripe knows Bob as one customer

    Scenario: What we knew of the customer was lost
      Given Ada has bought the "starter" plan for $5.00
      And our record of Ada's customer is lost, and days have passed
      When Ada buys the "starter" plan for $5.00
      Then Stripe knows Ada as one customer

  Rule: The address follows

    Scenario: Ada changes her address
      Given Ada has bought the "starter" plan for $5.00
      When Ada changes her address
      Then Stripe sends Ada's receipts to the new address

  Rule: A customer that is deleted at Stripe is made again

    Scenario Outline: Ada is deleted at Stripe
      Given Ada has bought the "starter" plan for $5.00
      And Ada is deleted at Stripe, <which is reported>
      When Ada buys the "starter" plan for $5.00
      Then Stripe knows Ada as one customer
      And Ada has 100 credits
      And the log says that Ada's customer was made again

      Examples:
        | which is reported         |
        | which Stripe reports      |
        | which Stripe has not told |
