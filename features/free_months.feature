Feature: Free months
  A month that a coupon pays for is a month like any other.

  Background:
    Given Ada has signed up
    And Ada has subscribed to the "monthly" plan

  Rule: A period covered by a coupon brings its credits

    Scenario Outline: The next month is cheaper
      Given Ada has a coupon of <percent> % for one month
      When the subscription renews
      Then Ada has 200 credits

      Examples:
        | percent |
        | 50      |
        | 100     |

    Scenario: The month after it is paid again
      Given Ada has a coupon of 100 % for one month
      And the subscription has renewed
      When the subscription renews
      Then Ada has 300 credits

  Rule: A free month that is credited as unused loses its credits

    Scenario: Half of it is unused
      Given Ada has a coupon of 100 % for ever
      And the subscription has renewed
      And 15 days have passed
      When Ada cancels at once, and unused time is credited
      Then Ada has 150 credits
