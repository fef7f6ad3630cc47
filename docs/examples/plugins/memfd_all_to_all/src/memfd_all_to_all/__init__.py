"""An implementation of syncfree's hook ``sequence_parallel_all_to_all``, through memory that ranks on one machine share."""
