"""The resources of Stripe's API: what requests show and change of each kind of object."""
