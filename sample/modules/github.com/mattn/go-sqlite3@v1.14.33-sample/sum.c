#include "sum.h"

#ifdef __OPTIMIZE__
const int sample_optimised = 1;
#else
const int sample_optimised = 0;
#endif

#ifdef SQLITE_ENABLE_DBSTAT_VTAB
const int sample_dbstat = 1;
#else
const int sample_dbstat = 0;
#endif

#ifdef SQLITE_USE_ALLOCA
const int sample_alloca = 1;
#else
const int sample_alloca = 0;
#endif

long long sample_sum(const int *values, size_t count)
{
	long long sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum;
}
