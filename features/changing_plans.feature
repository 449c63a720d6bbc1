Feature: Changing and cancelling a subscription
  Customers see what a change costs and brings before they make it. The credits follow the money.

  Background:
    Given the shop also sells the "team" plan for $20.00 a month, and "light" for $4.00
    And Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: What was previewed is charged and credited

    Scenario: An upgrade after half of the month
      Given 15 days have passed
      And Ada has seen that the "team" plan costs $5.50 now and brings 100 credits more
      When Ada changes to the "team" plan as she saw it
      Then Ada has paid $5.50
      And Ada has 200 credits

  Rule: A change for the next period costs nothing now

    Scenario: Until the month is over
      When Ada changes to the "light" plan from the next period on
      Then Ada has 100 credits

    Scenario: The next month
      Given Ada has changed to the "light" plan from the next period on
      When the subscription renews
      Then Ada has 140 credits

  Rule: A card that is declined changes nothing

    Scenario: The bank does not pay the difference
      Given Ada's bank declines what her subscription charges
      When Ada changes to the "team" plan
      Then Ada is told that the payment was declined
      And Ada has 100 credits

  Rule: What was paid stays until the period ends

    Scenario: Cancelled at once
      When Ada cancels her subscription at once
      Then Ada has 100 credits

    Scenario: Cancelled for the end of the month
      Given Ada has cancelled her subscription for the end of the period
      When two months pass
      Then Ada has 100 credits

  Rule: An account has one subscription at a time

    Scenario: A second checkout
      When Ada begins another checkout of the "team" plan
      Then Ada is told to change her plan instead
