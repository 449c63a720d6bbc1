Feature: Seats
  Each paid seat brings the plan's credits, for as long as it is paid.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan
    And 15 days have passed

  Rule: An additional seat brings its credits for the remaining time

    Scenario: Two more seats for half a month
      When Ada takes 3 seats, charged at once
      Then Ada has 200 credits

    Scenario: All seats renew
      Given Ada has taken 3 seats, charged at once
      When the subscription renews
      Then Ada has 500 credits

  Rule: Removing a seat takes back the credits of its unused time

    Scenario: Two seats are removed immediately
      Given Ada has taken 3 seats, charged at once
      When Ada takes 1 seats, charged at once
      Then Ada has 100 credits

    Scenario: Charged with the renewal
      When Ada takes 2 seats, charged with the renewal
      Then Ada has 100 credits
