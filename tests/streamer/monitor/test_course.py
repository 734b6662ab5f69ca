"""The course of a monitor: the latest points."""

import numpy as np
import pytest

from spikeloop.streamer.monitor.course import Course, Point


def test_points_come_back_as_they_were_added_and_a_course_does_not_change():
    points = [Point(float(second), 2.0, float("nan"), 0.5) for second in range(5)]
    course, before = Course(), []
    for point in points:
        before.append(course)
        course = course.added(point)
    assert [len(each) for each in (*before, course)] == [0, 1, 2, 3, 4, 5]
    assert [each.at_s for each in course] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(course[-1].mean_ratio)
    assert [each.at_s for each in course[1:3]] == [1.0, 2.0]
    with pytest.raises(IndexError):
        course[5]


def test_the_oldest_points_go_after_an_hour():
    course = Course(np.zeros((3600, 4))).added(Point(1.0, 2.0, 3.0, 4.0))
    assert (len(course), course[-1], course[-2]) == (3600, Point(1.0, 2.0, 3.0, 4.0), Point(0.0, 0.0, 0.0, 0.0))
