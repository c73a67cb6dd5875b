#include <stddef.h>

long long sample_sum(const int *values, size_t count);

/* How this part was compiled: what upstream's and our own CGO_CFLAGS decide. */
extern const int sample_optimised, sample_dbstat, sample_alloca;
