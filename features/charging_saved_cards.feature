Feature: Charging saved cards
  A product charges a card that its customer has saved, while the customer is away.

  Background:
    Given Ada has signed up
    And Ada has saved a card

  Rule: What was paid is credited, once

    Scenario: The card pays
      When the product charges Ada's card for the "starter" plan
      Then Ada has been charged $5.00
      And Ada has 50 credits

    Scenario: The product repeats a request
      Given the product has charged Ada's card for the "starter" plan
      When the product repeats the request
      Then Ada has been charged $5.00
      And Ada has 50 credits

    Scenario: The product makes another request
      Given the product has charged Ada's card for the "starter" plan
      When the product charges Ada's card for the "pro" plan
      Then Ada has been charged $25.00
      And Ada has 300 credits

    Scenario: Stripe's answer is lost
      Given Stripe takes the money, and its answers are lost
      And the product has been told to repeat its request for the "starter" plan
      When the product repeats the request until it gets an answer
      Then Ada has been charged $5.00
      And Ada has 50 credits

  Rule: A card that is not charged brings no credits

    Scenario Outline: The bank does not pay
      Given Ada's bank will refuse, since <of a reason>
      When the product charges Ada's card for the "starter" plan
      Then the product is advised to <do something>
      And Ada has not been charged
      And Ada has 0 credits

      Examples:
        | of a reason                     | do something                     |
        | there is too little money       | try again later                  |
        | the card has expired            | ask the customer for another one |
        | Ada has to confirm the payment  | let them pay by a checkout       |

    Scenario: The product repeats a request that the bank declined
      Given Ada's bank will refuse, since there is too little money
      And the product has charged Ada's card for the "starter" plan
      And Ada has saved another card
      When the product repeats the request
      Then the product is advised to try again later
      And Ada has not been charged
