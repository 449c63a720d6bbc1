Feature: The portal
  A customer manages what they pay for on a page of Stripe's: invoices, cards, and the plan that they subscribe to.

  Background:
    Given the shop also sells the "team" plan for $20.00 a month, and "light" for $4.00
    And the plans and the portal have been pushed to Stripe
    And Ada has signed up

  Rule: A change in the portal counts like any other

    Scenario: A customer without a subscription
      When Ada opens the portal
      Then the portal shows no subscription

    Scenario: Cancelling
      Given Ada has subscribed to the "monthly" plan
      When Ada cancels it in the portal
      Then her subscription ends with its period

    Scenario: Upgrading
      Given Ada has subscribed to the "monthly" plan
      When Ada switches to the "team" plan in the portal
      Then Ada has 300 credits

    Scenario: Upgrading, and the renewals after it
      Given Ada has subscribed to the "monthly" plan
      And Ada has switched to the "team" plan in the portal
      When two months pass
      Then Ada has 900 credits

  Rule: A downgrade waits for the period's end

    Scenario: Downgrading
      Given Ada has subscribed to the "monthly" plan
      When Ada switches to the "light" plan in the portal
      Then Ada has 100 credits

    Scenario: Downgrading, and the renewals after it
      Given Ada has subscribed to the "monthly" plan
      And Ada has switched to the "light" plan in the portal
      When two months pass
      Then Ada has 180 credits

  Rule: Nobody manages another customer's subscription

    Scenario: Bob tries to cancel Ada's subscription
      Given Bob has signed up
      And Ada has subscribed to the "monthly" plan
      When Bob tries to cancel it in his own portal
      Then the portal turns him away
