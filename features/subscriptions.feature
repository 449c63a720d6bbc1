Feature: Subscriptions
  Each paid period brings its credits, once. So does the part of a period that a change of plan pays for.

  Background:
    Given Ada has signed up

  Rule: A paid period brings its credits

    Scenario: The first period
      When Ada subscribes to the "monthly" plan
      Then Ada has 100 credits

    Scenario: The first period, before Stripe has reported it
      When Ada subscribes to the "monthly" plan and returns before Stripe has reported it
      Then the return page says that 100 credits are there

    Scenario: Renewal
      Given Ada has subscribed to the "monthly" plan
      When two months pass
      Then Ada has 300 credits

    Scenario: Everything about the renewals is reported in reverse order, and twice
      Given Ada has subscribed to the "monthly" plan
      When two months pass, and Stripe reports them in reverse order and twice
      Then Ada has 300 credits

    Scenario: A renewal after so many changes that its invoice does not show all of its lines
      Given Ada has subscribed to the "monthly" plan
      And Ada has changed to another price and back six times
      When two months pass
      Then in the end Ada has 300 credits to spend

    Scenario: A renewal after a change of address
      Given Ada has subscribed to the "monthly" plan
      And Ada has another address now
      When two months pass
      Then Ada has 300 credits

    Scenario: Stripe's older events name the subscription alone
      Given Ada has subscribed to the "monthly" plan
      When Stripe reports a renewal that names nobody
      Then Ada has 200 credits

  Rule: Unpaid time brings nothing

    Scenario: A change within a period to a price of no plan
      Given Ada has subscribed to the "monthly" plan
      When Ada's subscription is prorated to another price
      Then Ada has 100 credits
      And the change is parked for an operator, with its price

    Scenario: Unused time is refunded
      Given Ada has subscribed to the "monthly" plan
      When Ada cancels at once after a third of the period, and the remaining time is refunded
      Then Ada has 33 credits

    Scenario: After canceling
      Given Ada has subscribed to the "monthly" plan
      And Ada has canceled the subscription
      When two months pass
      Then Ada has 100 credits

  Rule: A period can be refunded like any other purchase

    Scenario: The last period is refunded
      Given Ada has subscribed to the "monthly" plan
      And two months have passed
      When the last period is refunded
      Then Ada has 200 credits
