"""The planner's yardstick: what its hedges are worth on recorded funding, beside baselines and perfect foresight."""
